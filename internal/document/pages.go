package document

import "io"

// Pages returns how many pages a whole file of a readable kind has, or 0 if that
// cannot be told: of a file that is broken off or encrypted, say.
func Pages(data []byte, kind Kind) int {
	switch kind {
	case PDF:
		return pdfPages(data)
	case TIFF:
		return tiffPages(data)
	default:
		return 1
	}
}

func PDFPages(r io.Reader) (int, error) { panic("stub") }
func TIFFPages(r io.ReaderAt, size int64, most int) (int, error) { panic("stub") }
