package document

import "bytes"

// Pages returns how many pages a whole file of a readable kind has, or 0 if that
// cannot be told: of a file that is broken off or encrypted, say.
func Pages(data []byte, kind Kind) (pages int) {
	// What lies in memory is read without errors.
	switch kind {
	case PDF:
		pages, _ = PDFPages(bytes.NewReader(data))
	case TIFF:
		pages, _ = TIFFPages(bytes.NewReader(data), int64(len(data)), 0)
	default:
		pages = 1
	}
	return pages
}
