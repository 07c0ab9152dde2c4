"""Simulated Terraform providers: real schemas, invented results.

A simulated provider is a Terraform plugin that serves the schema of the real one, marks computed attributes
unknown in a plan, and hands out deterministic identifiers on apply. Terraform itself then catches misspelt
arguments, wrong types, missing arguments, dangling references and cycles; a rule table per cloud catches
values that the cloud's API would refuse. No network, no account.

    protocol.py     the messages of plugin protocol 6, built at run time
    values.py       Terraform values on the wire; what is unknown
    schema.py       a provider's schema as a value
    rules.py        checks of single arguments, cloud-neutral kinds
    behaviour.py    what a cloud's file has to say: the interface and its neutral defaults
    provider.py     validate, plan, apply, read, import, data sources, ephemeral resources
    server.py       gRPC on unix sockets; TF_REATTACH_PROVIDERS
    standalone.py   the same as a plugin executable in a filesystem mirror
    registry.py     provider name → schema file and behaviour: one line per provider
    aws/            everything that is only true of AWS
    google/         everything that is only true of Google Cloud
    random/         the provider of chance
"""
