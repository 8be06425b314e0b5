package faultmatrix

import "strings"

// bucketDoc is the bucket's table as docs/faults.md has it.
func bucketDoc() string {
	return stepsDoc("S3 fails, where the stack has its bucket", s3Faults, steps, func(f *fault, at step) string {
		if !befalls(f, at) {
			return "–"
		}
		m, _ := findBucket(at, f)
		return m.words()
	})
}

func (m met) words() string {
	text := "`" + m.answer + "`"
	if !strings.Contains(m.answer, " ") {
		text = "goes through"
	}
	if m.again == held {
		text += ", *held*"
	}
	return text
}
