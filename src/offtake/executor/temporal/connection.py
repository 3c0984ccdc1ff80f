"""Connecting to Temporal: addresses into clients, and its library's own log lines into ours."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cache

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig
from temporalio.service import RetryConfig, RPCError, TLSConfig

from offtake.executor.temporal.address import TemporalAddress

# Every poll that is tried again would be a warning; that Temporal is away we say ourselves, once.
_SPOKEN = "error,temporalio_sdk_core=warn,temporalio_client=error"
_PATIENCE = timedelta(seconds=5)  # to reach the server


async def connect(address: TemporalAddress, *, identity: str, retries: RetryConfig) -> Client:
    """A client that goes on trying by itself once it was connected. Raises what ``describe_error`` understands."""
    return await Client.connect(
        address.target,
        namespace=address.namespace,
        api_key=address.api_key,
        tls=tls_config(address),
        connect_timeout=_PATIENCE,
        retry_config=retries,
        identity=identity,
        runtime=_runtime(),
    )


async def check_namespace(client: Client, *, patience: timedelta) -> None:
    """Ask Temporal for the client's namespace. Raises what ``describe_error`` understands."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    await client.workflow_service.describe_namespace(request, timeout=patience)


UNREACHABLE = (RPCError, RuntimeError)  # what the library raises where the server is away, or refuses us


def describe_error(error: BaseException) -> str:
    """What is wrong, in a word for the log. Its text may be the server's, and is repeated nowhere.

    The library does not tell whether it got no connection, or the server has no such namespace for a worker.
    """
    return error.status.name.lower() if isinstance(error, RPCError) else "not_accepted"


def tls_config(address: TemporalAddress) -> TLSConfig | bool:
    """The library's own; False is plain text."""
    tls = address.tls
    if tls is None:
        return False
    return TLSConfig(server_root_ca_cert=tls.root, client_cert=tls.certificate, client_private_key=tls.key)


@cache
def _runtime() -> Runtime:
    """One for the process: it has threads of its own."""
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporal"), append_log_fields_to_message=False)
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=_SPOKEN, forwarding=forwarding)))
