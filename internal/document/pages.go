package document

import "bytes"

// Pages returns how many pages a whole file of a readable kind has, or 0 if that
// cannot be told: of a file that is broken off or encrypted, say.
func Pages(data []byte, kind Kind) (pages int) {
	switch kind {
	case PDF:
		return pdfPages(data)
	case TIFF:
		pages, _ = TIFFPages(bytes.NewReader(data), int64(len(data)), 0) // memory is read without errors
		return pages
	default:
		return 1
	}
}
