package recognize

// Part is part, for tests.
type Part struct {
	Name, Filename string
	Data           []byte
}

// SplitMultipart is splitMultipart, for tests.
func SplitMultipart(body []byte, boundary string) ([]Part, error) {
	parts, err := splitMultipart(body, boundary)
	all := make([]Part, len(parts))
	for i, p := range parts {
		all[i] = Part{p.name, p.filename, p.data}
	}
	return all, err
}
