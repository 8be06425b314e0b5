package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"omr-relay/internal/sandbox"
)

// process is one program running under its own Runtime API.
type process struct {
	program program
	cmd     *exec.Cmd
	api     *runtimeAPI
	log     *os.File
	began   time.Time // just before exec
	exit    error     // valid once api.gone is closed
}

// start runs p against up, with env besides its usual environment. quota, if not
// nil, holds its CPU down.
func (b *bench) start(ctx context.Context, p program, up *upstream, quota *quota, env ...string) (*process, error) {
	api, err := newRuntimeAPI()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(b.dir, p.name+".log"))
	if err != nil {
		api.close()
		return nil, err
	}
	cmd := exec.CommandContext(ctx, p.path) //nolint:gosec // a program that was just built, or that the user named
	cmd.Env = append(environment(api, up, b.trust), env...)
	switch p.name {
	case relayName, libraryName:
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1") // as template.yaml has it
	case floorName:
		cmd.Env = append(cmd.Env, "FLOOR_TOKEN_FORM="+url.Values{
			"grant_type": {"client_credentials"}, "client_id": {sandbox.DefaultClientID}, "client_secret": {sandbox.DefaultClientSecret},
		}.Encode())
	}
	// A file, not a pipe: nobody here needs to wake up for a log line.
	cmd.Stdout, cmd.Stderr = log, log
	proc := &process{program: p, cmd: cmd, api: api, log: log, began: time.Now()}
	if err := cmd.Start(); err != nil {
		api.close()
		return nil, fmt.Errorf("starting %s: %w", p.name, errors.Join(err, log.Close()))
	}
	go func() {
		proc.exit = cmd.Wait()
		close(api.gone)
	}()
	if quota != nil {
		if err := quota.add(cmd.Process.Pid); err != nil {
			proc.stop()
			return nil, err
		}
	}
	return proc, nil
}

// environment is Lambda's, for a function of the smallest size, and the
// relay's own. Nothing of this machine's is in it.
func environment(api *runtimeAPI, up *upstream, trust *authority) []string {
	env := []string{
		"AWS_LAMBDA_RUNTIME_API=" + api.addr(),
		"AWS_LAMBDA_FUNCTION_NAME=omr-relay",
		"AWS_LAMBDA_FUNCTION_VERSION=1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_REGION=eu-central-1",
		"AWS_ACCESS_KEY_ID=AKIABENCH",
		"AWS_SECRET_ACCESS_KEY=bench",
		"AWS_SESSION_TOKEN=bench",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + up.secretsURL,
		"OMR_SECRET_ID=" + sandbox.DefaultSecretID,
		"OMR_BASE_URL=" + up.url,
		"_HANDLER=bootstrap",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}
	if up.protocol != plain {
		env = append(env, "SSL_CERT_FILE="+trust.bundle, "SSL_CERT_DIR="+trust.dir)
	}
	return env
}

// cpu is the CPU time that the process has used so far, all its threads
// together, dead ones included.
func (p *process) cpu() (time.Duration, error) {
	// A process' CPU-time clock, as clock_getcpuclockid(3) makes its id.
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|sched), &t); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of %s: %w", p.program.name, err)
	}
	return time.Duration(t.Nano()), nil
}

// peak is the largest resident set that the process has had, in bytes.
func (p *process) peak() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, errors.New("no VmHWM in the process' status")
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err
}

// stop ends the process and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.api.gone
	p.api.close()
	_ = p.log.Close()
}

// terminate asks the process to end and waits for it.
func (p *process) terminate() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.api.gone
	p.api.close()
	return errors.Join(err, p.exit, p.log.Close())
}

// explain adds the end of the process' log to an error.
func (p *process) explain(err error) error {
	text, _ := os.ReadFile(p.log.Name())
	return fmt.Errorf("%s: %w\nits log ends:\n%s", p.program.name, err, text[max(0, len(text)-2000):])
}
