"""Connects to Temporal, and forwards the log lines of its library to the log of this program."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cache

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig
from temporalio.service import RetryConfig, RPCError, TLSConfig

from offtake.executor.temporal.address import TemporalAddress

# At the level warn the client would log every retried poll; relay and worker log once that Temporal is unreachable.
_LOG_FILTER = "error,temporalio_sdk_core=warn,temporalio_client=error"
_CONNECT_TIMEOUT = timedelta(seconds=5)


async def connect(address: TemporalAddress, *, identity: str, retries: RetryConfig) -> Client:
    """Return a connected client, which reconnects by itself. Raises an error of ``UNREACHABLE``."""
    return await Client.connect(
        address.target,
        namespace=address.namespace,
        api_key=address.api_key,
        tls=tls_config(address),
        connect_timeout=_CONNECT_TIMEOUT,
        retry_config=retries,
        identity=identity,
        runtime=_runtime(),
    )


async def check_namespace(client: Client, *, timeout: timedelta) -> None:
    """Check that Temporal answers and has the client's namespace. Raises an error of ``UNREACHABLE``."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    await client.workflow_service.describe_namespace(request, timeout=timeout)


UNREACHABLE = (RPCError, RuntimeError)  # if the server is unreachable or refuses the client


def describe_error(error: BaseException) -> str:
    """Return one word for the log. The text of the error may come from the server and is never logged.

    The library does not distinguish a failed connection from a namespace that the server does not have for a worker.
    """
    return error.status.name.lower() if isinstance(error, RPCError) else "not_accepted"


def tls_config(address: TemporalAddress) -> TLSConfig | bool:
    """Return the TLS configuration for the library; False means plain text."""
    tls = address.tls
    if tls is None:
        return False
    return TLSConfig(server_root_ca_cert=tls.root, client_cert=tls.certificate, client_private_key=tls.key)


@cache
def _runtime() -> Runtime:
    """Return the runtime of the process; one is enough, because it starts threads."""
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporal"), append_log_fields_to_message=False)
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=_LOG_FILTER, forwarding=forwarding)))
