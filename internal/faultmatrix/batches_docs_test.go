package faultmatrix

// batchesDoc is Step Functions' table as docs/faults.md has it.
func batchesDoc() string {
	return stepsDoc("Step Functions fail, where the stack has batches", sfnFaults, asks, func(f *fault, at ask) string {
		for _, row := range findBatches(at, f) {
			return row.words()
		}
		return "–"
	})
}

func (r batchesRow) words() string {
	switch {
	case r.answer == "":
		return "goes through"
	case r.done:
		return "`" + r.answer + "`, *done*"
	default:
		return "`" + r.answer + "`"
	}
}
