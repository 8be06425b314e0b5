"""Runs LocalStack with what its free edition lacks: an executor for functions, authorizers, and buckets and alarms as templates have them.

Environment: FUNCTION_LOGS, a directory that gets a file for each execution environment; FUNCTION_CA, a file
with the authorities that functions trust, as the certificates in Lambda's image.
"""

import pathlib
import sys

import runtime

runtime.install()  # before anything else of LocalStack is loaded

sys.path.append(str(pathlib.Path(__file__).parents[1]))  # what the checks share

import alarms
import buckets
import gateway
import stacks
import updates
import waits
from localstack.runtime.main import main

alarms.install()
buckets.install()
gateway.install()
stacks.install()
updates.install()
waits.install()
main()
