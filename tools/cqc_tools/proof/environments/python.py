from cqc_tools.proof.environments.environment import Environment
ENVIRONMENTS: tuple[Environment, ...] = ()
