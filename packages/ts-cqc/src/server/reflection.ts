// Server reflection, v1 and v1alpha, over the bytes of the descriptors. @grpc/reflection cannot describe these services:
// it converts them through protobufjs, which misspells the types of google.protobuf.
import {
  createFileRegistry,
  createRegistry,
  type DescFile,
  type DescService,
  type FileRegistry,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { descriptorSet } from "../descriptor_set.js";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../gen/google/rpc/status_pb.js";
import type { OpenStreams } from "./handlers.js";

// Fields of ServerReflectionRequest and ServerReflectionResponse.
const FILE_BY_NAME = 3;
const FILE_OF_SYMBOL = 4;
const FILE_OF_EXTENSION = 5;
const EXTENSION_NUMBERS = 6;
const LIST_SERVICES = 7;
const [REQUEST, FILES, NUMBERS, SERVICES, ERROR] = [2, 4, 5, 6, 7];

const NAMES = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/** Adds reflection of the services to a server. */
export function addReflection(server: grpc.Server, services: readonly DescService[], streams: OpenStreams): void {
  let index: Index | undefined;
  for (const name of NAMES) {
    const definition: grpc.ServiceDefinition = {
      serverReflectionInfo: {
        path: `/${name}/ServerReflectionInfo`,
        requestStream: true,
        responseStream: true,
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    };
    server.addService(definition, {
      serverReflectionInfo(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
        const stop = () => {
          call.emit("error", { code: grpc.status.UNAVAILABLE, details: "the server is stopping" });
        };
        streams.add(stop);
        const end = () => {
          if (streams.delete(stop)) call.end();
        };
        call.on("cancelled", () => streams.delete(stop));
        call.on("end", end);
        call.on("data", (request: Buffer) => {
          index ??= new Index(services);
          call.write(Buffer.from(index.answer(request)));
        });
      },
    });
  }
}

class Index {
  private readonly files = new Map<string, DescFile>();
  private readonly registry: FileRegistry | ReturnType<typeof createRegistry>;

  constructor(private readonly services: readonly DescService[]) {
    // The contracts as they were written: the descriptors that programs import lack the rules.
    for (const file of createFileRegistry(descriptorSet()).files) this.add(file);
    for (const { file } of services) this.add(file);
    // For clients that show the details of errors.
    for (const { file } of [ErrorInfoSchema, StatusSchema]) this.add(file);
    this.registry = createRegistry(...this.files.values());
  }

  answer(request: Uint8Array): Uint8Array {
    const writer = new BinaryWriter().tag(REQUEST, 2).bytes(request);
    const reader = new BinaryReader(request);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field < FILE_BY_NAME || field > LIST_SERVICES) reader.skip(type);
      else if (field === FILE_OF_EXTENSION) this.extension(writer, reader.bytes());
      else this.one(writer, field, reader.string());
    }
    return writer.finish();
  }

  private one(writer: BinaryWriter, field: number, name: string): void {
    if (field === LIST_SERVICES) {
      writer.tag(SERVICES, 2).fork();
      for (const service of [...this.services.map(({ typeName }) => typeName), ...NAMES].sort()) {
        writer.tag(1, 2).fork().tag(1, 2).string(service).join();
      }
      writer.join();
    } else if (field === EXTENSION_NUMBERS) {
      writer.tag(NUMBERS, 2).fork().tag(1, 2).string(name);
      for (const { number } of this.extensions(name)) writer.tag(2, 0).int32(number);
      writer.join();
    } else {
      found(writer, field === FILE_OF_SYMBOL ? this.fileOf(name) : this.files.get(name), name);
    }
  }

  private extension(writer: BinaryWriter, request: Uint8Array): void {
    const reader = new BinaryReader(request);
    let [type, number] = ["", 0];
    while (reader.pos < reader.len) {
      if (reader.tag()[0] === 1) type = reader.string();
      else number = reader.int32();
    }
    found(writer, this.extensions(type).find((extension) => extension.number === number)?.file, `${type} ${number}`);
  }

  private extensions(type: string) {
    return [...this.registry].flatMap((item) =>
      item.kind === "extension" && item.extendee.typeName === type ? [item] : [],
    );
  }

  /** Returns the file of a type, or of the type that a method, field or enum value belongs to. */
  private fileOf(symbol: string): DescFile | undefined {
    return (this.registry.get(symbol) ?? this.registry.get(symbol.replace(/[.][^.]*$/, "")))?.file;
  }

  private add(file: DescFile): void {
    // protobuf-es leaves `.proto` off.
    const name = `${file.name}.proto`;
    if (this.files.has(name)) return;
    this.files.set(name, file);
    for (const dependency of file.dependencies) this.add(dependency);
  }
}

/** Writes a file and what it imports. */
function found(writer: BinaryWriter, file: DescFile | undefined, name: string): void {
  if (!file) {
    writer.tag(ERROR, 2).fork().tag(1, 0).int32(grpc.status.NOT_FOUND).tag(2, 2).string(`${name} is not known`).join();
    return;
  }
  writer.tag(FILES, 2).fork();
  const all = new Set([file]);
  // A set yields what is added while it is walked.
  for (const { proto, dependencies } of all) {
    writer.tag(1, 2).bytes(toBinary(FileDescriptorProtoSchema, proto));
    for (const dependency of dependencies) all.add(dependency);
  }
  writer.join();
}
