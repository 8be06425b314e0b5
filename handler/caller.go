package handler

// caller is who API Gateway says is calling. It never holds the API key, which
// the event carries as well.
type caller struct {
	keyID    string // the id of the API key
	identity string // the principal: of IAM, of a user pool, or of the authorizer
}

// restIdentity is where a REST API's requestContext tells of the caller.
type restIdentity struct {
	Identity struct {
		APIKeyID string `json:"apiKeyId"`
		Caller   string `json:"caller"`
	} `json:"identity"`
	Authorizer struct {
		PrincipalID string `json:"principalId"`
		Claims      struct {
			ClientID string `json:"client_id"`
			Sub      string `json:"sub"`
		} `json:"claims"`
	} `json:"authorizer"`
}

func (r *restIdentity) caller() caller {
	claims := r.Authorizer.Claims
	return caller{named(r.Identity.APIKeyID), named(r.Identity.Caller, claims.ClientID, claims.Sub, r.Authorizer.PrincipalID)}
}

// httpIdentity is the same in payload format 2.0.
type httpIdentity struct {
	Authorizer struct {
		IAM struct {
			CallerID string `json:"callerId"`
		} `json:"iam"`
		JWT struct {
			Claims struct {
				ClientID string `json:"client_id"`
				Sub      string `json:"sub"`
			} `json:"claims"`
		} `json:"jwt"`
	} `json:"authorizer"`
}

func (h *httpIdentity) caller() caller {
	claims := h.Authorizer.JWT.Claims
	return caller{identity: named(h.Authorizer.IAM.CallerID, claims.ClientID, claims.Sub)}
}

// named returns the first that looks like a name; others stay out of the log.
func named(candidates ...string) string {
	for _, c := range candidates {
		if plainName(c) {
			return c
		}
	}
	return ""
}
