// Package budget has every limit of time that the relay keeps, and how they
// nest. The deployed function is ended by Lambda after Function; whatever hangs
// must have become an answer before that.
//
//	Function                          25 s   Lambda ends the function (template.yaml, Timeout)
//	├─ AnswerReserve                 0.5 s   kept to carry the answer out
//	│  ├─ RecordReserve              0.4 s   of it, to record how a request with an Idempotency-Key ended
//	│  └─ LogReserve                 0.1 s   of it, to log that nobody takes the answer
//	└─ a call                       24.5 s
//	   ├─ Submission                 4 s   what one of several scans must have left to be submitted
//	   ├─ LastPoll                 1.5 s   what a fetch of a result must have left
//	   ├─ a token
//	   │  ├─ SecretAttempt             3 s   one request to Secrets Manager, which the SDK repeats
//	   │  ├─ SecretFallback          0.6 s   all of them, where older credentials are at hand
//	   │  └─ TokenAttempt              8 s   one request to the token endpoint
//	   ├─ the bucket, if there is one
//	   │  ├─ BucketAnswer              3 s   until one request to S3 is answered, which the SDK repeats
//	   │  └─ BucketSilence             3 s   of S3 in the middle of an upload, before it is asked for the rest
//	   ├─ MachineAttempt             3 s   one request to Step Functions, which the SDK repeats
//	   ├─ Dial, then TLSHandshake   3 + 4 s  a new connection to any of the hosts
//	   └─ RefreshJoin                  1 s   the wait, after the answer, for a refresh begun beside it
//	WarmUp                             5 s   both halves of a warm-up
//	Prefetch                         2.5 s   the token before the first invocation, of the 10 s for init
//
//	BatchFunction                    900 s   Lambda ends a step of a batch (template.yaml, Timeout)
//	└─ BatchSubmission                60 s   a sheet's, and a second more for each BatchBytesPerSecond
//
// Each is the most that the part may take; a caller's own deadline shortens all.
package budget

import "time"

const (
	// Function is the deployed function's timeout.
	Function = 25 * time.Second
	// Undeadlined is for a context without a deadline: API Gateway's limit.
	Undeadlined = 29 * time.Second
	// AnswerReserve is what package handler takes off an invocation's deadline. It covers encoding a 6 MB answer on the smallest function. Of
	// shorter invocations it is a tenth.
	AnswerReserve = 500 * time.Millisecond
	// RecordReserve is what the last write of an Idempotency-Key's record may take of it.
	RecordReserve = 400 * time.Millisecond
	// LogReserve is what is left of AnswerReserve when writing a streamed answer
	// ends, to log that it was not taken. Of shorter invocations it is a twentieth.
	LogReserve = 100 * time.Millisecond

	// SecretAttempt leaves an invocation time for the SDK's next attempt.
	SecretAttempt = 3 * time.Second
	// SecretFallback is how long a read of the secret waits for Secrets Manager
	// where older credentials can serve: within RefreshJoin the token request has
	// to find room as well.
	SecretFallback = 600 * time.Millisecond
	// BucketAnswer leaves an invocation time for the SDK's next attempt.
	BucketAnswer = 3 * time.Second
	// BucketSilence is far above S3's pauses between two bytes, and leaves time for
	// the rest of a scan by another connection.
	BucketSilence = 3 * time.Second

	// MachineAttempt leaves an invocation time for the SDK's next attempt.
	MachineAttempt = 3 * time.Second

	// TokenAttempt is of one token request: a black hole must leave time for another.
	TokenAttempt = 8 * time.Second
	// RefreshJoin is how long an invocation that is done waits for the refresh it
	// began.
	RefreshJoin = time.Second

	// Submission is how much of a call must be left for one more of several scans
	// to be submitted: one that is cut off may have been paid for, and nobody
	// knows its id. Of shorter calls it is a quarter.
	Submission = 4 * time.Second
	// LastPoll is how much must be left for a result to be asked for. Waiting ends
	// then. Of shorter calls it is a quarter.
	LastPoll = 1500 * time.Millisecond

	// Dial is for one TCP connection, name look-up included.
	Dial = 3 * time.Second
	// TLSHandshake is for the handshake on it.
	TLSHandshake = 4 * time.Second
	// Ping is after how much silence an HTTP/2 connection is asked whether it
	// lives, and how long it has to say so.
	Ping = 5 * time.Second
	// Idle is how long a connection is kept unused. Connections die unnoticed
	// while the environment is frozen; this is shorter than servers' patience.
	Idle = 30 * time.Second

	// WarmUp is for either half of a warm-up: one that takes longer keeps the
	// environment from real calls.
	WarmUp = 5 * time.Second
	// Prefetch is well under Lambda's 10 s for init, which is billed.
	Prefetch = 2500 * time.Millisecond

	// BatchFunction is the timeout of the function that does a batch's steps.
	BatchFunction = 15 * time.Minute
	// BatchSubmission is for one sheet: a step that was killed meanwhile is known to be
	// over after that, and not only after the function's timeout.
	BatchSubmission = time.Minute
	// BatchBytesPerSecond is the slowest pace at which a scan may go upstream.
	BatchBytesPerSecond = 1 << 20
)
