// Package version is the version of the relay: in its log when it starts, and in the
// User-Agent of the calls that are its own and no caller's. docs/changelog.md says what
// came with each.
package version

// Version is the newest entry of docs/changelog.md, by https://semver.org.
const Version = "1.0.0"

// UserAgent is the relay's own (RFC 9110 §10.1.5).
const UserAgent = "omr-relay/" + Version
