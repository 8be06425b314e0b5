package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// replay reads a journal from its beginning and returns what it says, and how long
// the part of it is that is whole.
func replay(file io.Reader) (sheets map[string]State, size int64, err error) {
	sheets = map[string]State{}
	lines := bufio.NewReaderSize(file, 64<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return sheets, size, nil // what has no end of line was being written
		}
		if err != nil {
			return nil, 0, err
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil || r.Sheet == "" {
			if n > 1 && bytes.IndexByte(line, 0) >= 0 {
				// Blocks that never reached the disk read as zeros. All that was
				// made safe stands before them.
				return sheets, size, nil
			}
			return nil, 0, fmt.Errorf("line %d is none of a journal's: move the file away, and what was paid for with it", n)
		}
		r.apply(sheets, size, int64(len(line)))
		size += int64(len(line))
	}
}
