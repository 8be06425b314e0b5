# build, deploy, smoke, check and clean are for the command line; `sam build` runs build-RelayFunction, build-AuthorizerFunction
# and build-BatchFunction with ARTIFACTS_DIR set.

.PHONY: build deploy smoke check clean build-RelayFunction build-AuthorizerFunction build-BatchFunction

build:
	sam build

# make deploy SECRET_ARN=arn:... [ENV=default|dev|prod] [PARAMETERS='NAME=VALUE ...']
ENV = default

deploy:
	@.deploy/deploy '$(ENV)' '$(SECRET_ARN)' $(PARAMETERS)

# make smoke [ENV=default|dev|prod]
smoke:
	@.deploy/smoke '$(ENV)'

check:
	.ci/run

clean:
	rm -rf .aws-sam

# SAM does not tell a makefile build the architecture. It does run it in the template's
# WorkingDirectory, which is named after it.
ARCHITECTURE = $(notdir $(CURDIR))
TARGETS := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))cmd/relay/target

-include $(TARGETS)/$(ARCHITECTURE)/target.mk

build-RelayFunction: COMMAND = relay
build-AuthorizerFunction: COMMAND = authorizer
build-BatchFunction: COMMAND = batch

# The environment of whoever builds must not change the bytes: every setting that could is pinned.
build-RelayFunction build-AuthorizerFunction build-BatchFunction:
	$(if $(ARTIFACTS_DIR),,$(error ARTIFACTS_DIR is not set; run "sam build"))
	$(if $(wildcard $(TARGETS)/$(ARCHITECTURE)/target.mk),,$(error ARCHITECTURE is "$(ARCHITECTURE)", must be one of $(notdir $(wildcard $(TARGETS)/*))))
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) GOAMD64=$(GOAMD64) GOARM64=$(GOARM64) GOFLAGS= GOEXPERIMENT= GOWORK=off \
		go build -tags lambda.norpc -trimpath -buildvcs=false -ldflags="-s -w -buildid=" \
		-o "$(ARTIFACTS_DIR)/bootstrap" omr-relay/cmd/$(COMMAND)
