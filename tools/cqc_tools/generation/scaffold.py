"""Write the manifests of a project's packages if it has none yet, derived from the manifests of CQC's packages.

Each manifest is parsed, edited and written under the project's names, so that versions of dependencies are stated in
CQC's packages only. What exists is never changed: a manifest belongs to the project once it is written.
"""

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import tomlkit

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import SOURCES, Contracts
from cqc_tools.foundation import configuration, files, process, temporary, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import UserError
from cqc_tools.generation.template import render

MODELS = {
    "python": workspace.PYTHON_PACKAGE,
    "go": workspace.GO_MODULE,
    "typescript": workspace.TYPESCRIPT_PACKAGE,
}
# npm packages that only CQC's helpers and its tests need.
HELPERS = (
    "@arethetypeswrong/cli",
    "@bufbuild/protovalidate",
    "@connectrpc/connect",
    "@connectrpc/connect-node",
    "@connectrpc/connect-web",
    "@noble/hashes",
    "bignumber.js",
    "esbuild",
    "fast-check",
    "publint",
    "typescript-5.9",
)
# Keys about CQC itself rather than about how a package is built.
ABOUT_CQC = ("authors", "author", "keywords", "optional-dependencies", "entry-points")
# Classifiers that hold for any project.
GENERAL = ("Programming Language ::", "Typing ::")
GOOGLEAPIS = "googleapis-common-protos"


def scaffold(settings: Configuration, top: Path = workspace.ROOT) -> list[Path]:
    """Write the manifests that the packages lack, after their code was generated.

    Returns what was written, relative to the top of the repository. Raises ProgramFailed if `go mod tidy` or npm fails;
    then the package concerned is left without a manifest, and the next run tries again.
    """
    contracts = Contracts(settings, top, descriptors.serialized(settings, top))
    return [
        path.relative_to(top)
        for key, manifest, write in (
            ("python", "pyproject.toml", _python),
            ("go", "go.mod", _go),
            ("typescript", "package.json", _typescript),
        )
        if not (settings.folder(key, top) / manifest).exists()
        for path in write(contracts)
    ]


def require_own_folders(settings: Configuration) -> None:
    """Raise UserError if a project without CQC's own code uses the folder of one of CQC's packages."""
    for key, model in MODELS.items():
        folder = settings.package(key).folder
        if not settings.cqc_code and Path(folder) == model.relative_to(workspace.ROOT):
            raise UserError(
                f"{configuration.FILE} has packages.{key}.folder = {folder!r}, the folder of CQC's own package",
                f"choose another, such as packages/{key}-{settings.root_package}",
            )


def _python(contracts: Contracts) -> list[Path]:
    settings, folder = contracts.settings, contracts.settings.folder("python", contracts.top)
    content = tomlkit.parse((MODELS["python"] / "pyproject.toml").read_text())
    project: Any = content["project"]
    dependencies = list(project["dependencies"])
    if any(name.startswith("google/") for name in contracts.imports):
        extras = project["optional-dependencies"]["validation"]
        dependencies += [str(item) for item in extras if str(item).startswith(GOOGLEAPIS)]
    for key in ABOUT_CQC:
        project.pop(key, None)
    project["name"] = settings.package("python").name
    project["description"] = _description(settings)
    project["dependencies"] = dependencies
    project["classifiers"] = [str(item) for item in project["classifiers"] if str(item).startswith(GENERAL)]
    project["urls"] = {
        "Homepage": settings.repository,
        "Source": f"{settings.repository}/tree/{settings.branch}/{settings.package('python').folder}",
    }
    hatch: Any = content["tool"]["hatch"]
    to_top = os.path.relpath(contracts.top, folder)
    hatch["version"]["raw-options"]["root"] = to_top
    hatch["version"]["raw-options"]["dist_name"] = settings.package("python").name
    hatch["build"]["hooks"]["custom"] = {
        "sources": os.path.relpath(settings.folder("go", contracts.top) / SOURCES, folder),
        "descriptor_set": os.path.relpath(descriptors.path_of(settings, contracts.top), folder),
    }
    hatch["build"]["targets"]["wheel"]["packages"] = [f"src/{settings.root_package}"]
    return _write(
        folder,
        {
            "README.md": render("readme.python.md", **_words(contracts)),
            "hatch_build.py": (MODELS["python"] / "hatch_build.py").read_bytes(),
            "pyproject.toml": tomlkit.dumps(content).encode(),
        },
    )


def _go(contracts: Contracts) -> list[Path]:
    settings, folder = contracts.settings, contracts.settings.folder("go", contracts.top)
    with temporary.folder("scaffold") as scratch:
        module = Path(scratch, "module")
        shutil.copytree(folder, module)
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(MODELS["go"] / name, module / name)
        found = json.loads(process.run(["go", "mod", "edit", "-json"], cwd=module, what="read go.mod"))
        retractions = [f"-dropretract=[{item['Low']},{item['High']}]" for item in found.get("Retract") or ()]
        edits = [f"-module={settings.package('go').name}", *retractions]
        process.run(["go", "mod", "edit", *edits], cwd=module, what="edit go.mod")
        process.run(["go", "mod", "tidy"], cwd=module, what="go mod tidy")
        # A module without dependencies has no go.sum.
        names = [name for name in ("go.sum", "go.mod") if (module / name).exists()]
        manifests = {name: (module / name).read_bytes() for name in names}
    return _write(folder, {"README.md": render("readme.go.md", **_words(contracts)), **manifests})


def _typescript(contracts: Contracts) -> list[Path]:
    settings, folder = contracts.settings, contracts.settings.folder("typescript", contracts.top)
    model = MODELS["typescript"]
    manifest = json.loads((model / "package.json").read_text())
    exports = copy.deepcopy(manifest["exports"])
    for key in ABOUT_CQC:
        manifest.pop(key, None)
    for table in ("dependencies", "peerDependencies", "peerDependenciesMeta", "devDependencies"):
        kept = {name: value for name, value in manifest.pop(table).items() if name not in HELPERS}
        if kept:
            manifest[table] = kept
    manifest |= {
        "name": settings.package("typescript").name,
        "description": _description(settings),
        "homepage": settings.repository,
        "repository": {
            "type": "git",
            "url": f"git+{settings.repository}.git",
            "directory": settings.package("typescript").folder,
        },
        # One pattern for all domains, so that a new one needs no edit here.
        "exports": {
            ".": exports["."],
            "./*": _redirected(exports["."], f"gen/{settings.root_package}/*/index"),
            "./package.json": exports["./package.json"],
        },
    }
    copies = {
        name: (model / name).read_bytes() for name in (".npmrc", "build.mjs", "tsconfig.cjs.json", "tsconfig.json")
    }
    with temporary.folder("scaffold") as package:
        for name in (".npmrc", "package-lock.json"):
            shutil.copyfile(model / name, package / name)
        content = json.dumps(manifest, indent=2) + "\n"
        (package / "package.json").write_text(content)
        # npm removes from the lock what the manifest no longer needs, and keeps the versions of the rest.
        command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--prefer-offline"]
        process.run(command, cwd=package, what="npm install --package-lock-only")
        lock = (package / "package-lock.json").read_bytes()
    return _write(
        folder,
        {
            "README.md": render("readme.typescript.md", **_words(contracts)),
            **copies,
            "package-lock.json": lock,
            "package.json": content.encode(),
        },
    )


def _redirected(conditions: Any, module: str) -> Any:
    """The conditions of an entry in `exports` for another module, so that `./dist/esm/index.js` names that module."""
    if isinstance(conditions, dict):
        return {name: _redirected(value, module) for name, value in conditions.items()}
    return conditions.replace("/index.", f"/{module}.")


def _write(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    """Write the files that do not exist; the manifest is last, because its presence means that the rest is complete."""
    written = []
    for name, content in contents.items():
        if not (folder / name).exists():
            files.write_bytes(folder / name, content)
            written.append(folder / name)
    return written


def _description(settings: Configuration) -> str:
    return f"The {settings.root_package} contracts: Protocol Buffers with gRPC services"


def _words(contracts: Contracts) -> dict[str, object]:
    """The values of the README templates; the example imports the first message."""
    settings = contracts.settings
    example = next((proto for proto in contracts.protos if proto.messages), contracts.protos[0])
    domain, version = example.package.split(".")[1:]
    return {
        "root": settings.root_package,
        "python": settings.package("python").name,
        "go": settings.package("go").name,
        "typescript": settings.package("typescript").name,
        "domain": domain,
        "version": version,
        "message": example.messages[0] if example.messages else "",
    }
