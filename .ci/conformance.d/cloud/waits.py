"""Has CloudFormation answer when it is done. Else LocalStack sleeps for 5 seconds between two looks at what it makes, and
clients for 15 or 30 between two looks at a stack.
"""

import functools

from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor
from localstack.services.cloudformation.v2 import provider

PATIENCE = 20  # seconds, fewer than any client's


def install():
    ResourceProviderExecutor.deploy_loop = functools.partialmethod(ResourceProviderExecutor.deploy_loop, sleep_time=0.1)
    start = provider.start_worker_thread

    def start_and_wait(run):
        thread = start(run)
        thread.join(PATIENCE)
        return thread

    provider.start_worker_thread = start_and_wait
