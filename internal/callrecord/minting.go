package callrecord

// Reason is why a token was minted.
type Reason string

// The reasons.
const (
	// ColdStart is the first token of an environment.
	ColdStart Reason = "cold_start"
	// Expired is a token in the place of one that would not do any more.
	Expired Reason = "expired"
	// Refresh is one fetched beside a call, since the present one ends soon.
	Refresh Reason = "soft_refresh"
	// Repaired is one in the place of a token that the upstream rejected.
	Repaired Reason = "repair"
	// WarmUp is Expired where a warm-up found out, and no call had to wait.
	WarmUp Reason = "warm_up"
)

// Minting is what an invocation did to have a token. Who waits for another
// invocation's mint has no part in it.
type Minting struct {
	Mints  int    // that brought a token
	Reason Reason // of the last of them
	// MintFailures are mints that brought none, those included for which no request
	// was sent: the endpoint had asked to be left alone, or denied the pair.
	MintFailures int
	// CredentialsRejected are those of the failed ones whose pair the endpoint has
	// denied, and not accepted since.
	CredentialsRejected int
	SecretReads         int
}

// Add adds what was done afterwards.
func (m *Minting) Add(after Minting) {
	m.Mints += after.Mints
	if after.Mints > 0 {
		m.Reason = after.Reason
	}
	m.MintFailures += after.MintFailures
	m.CredentialsRejected += after.CredentialsRejected
	m.SecretReads += after.SecretReads
}
