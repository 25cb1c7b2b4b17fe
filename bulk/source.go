package bulk

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A fileRefusal is a reason to stop reading: nothing that follows can be judged.
type fileRefusal struct {
	line    int // 0: the whole file
	message string
}

func (r *fileRefusal) Error() string { return r.message }

func refuseFile(line int, format string, a ...any) error {
	return &fileRefusal{line, fmt.Sprintf(format, a...)}
}

// A source hands out the lines of a file, in UTF-8 and without a byte order mark, and
// hashes its bytes as they are. It holds one line at a time.
type source struct {
	raw      *meter
	text     *bufio.Reader
	encoding string
	limits   Limits

	line   int   // number of the last line read
	offset int64 // of its end, in bytes of UTF-8; for a file in UTF-8 those are the file's own
	ahead  []line
	crlf   int // lines that end in CR LF
	lf     int
	open   bool // the last line has no line end
}

// A line of the file. Its text ends in LF and only that.
type line struct {
	text []byte
	n    int   // from 1
	at   int64 // offset of its first byte
}

// A meter counts and hashes what is read, and stops at the limit.
type meter struct {
	r    io.Reader
	n    int64
	max  int64
	hash hash.Hash
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.n > m.max {
		return 0, refuseFile(0, "the file is larger than %s; split it into several", bytesText(m.max))
	}
	m.hash.Write(p[:n])
	return n, err
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

func newSource(r io.Reader, l Limits) (*source, error) {
	s := &source{raw: &meter{r: r, max: l.Bytes, hash: sha256.New()}, limits: l, encoding: "UTF-8"}
	head := bufio.NewReaderSize(s.raw, 4096)
	start, err := head.Peek(1024)
	if err != nil && err != io.EOF {
		return s, err
	}
	if err := notText(start); err != nil {
		return s, err
	}
	var text io.Reader = head
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		s.encoding = "UTF-8 with BOM"
		head.Discard(3)
		s.offset = 3
	case bytes.HasPrefix(start, []byte("\xff\xfe")):
		s.encoding = "UTF-16 LE"
		text = transform.NewReader(head, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder())
	case bytes.HasPrefix(start, []byte("\xfe\xff")):
		s.encoding = "UTF-16 BE"
		text = transform.NewReader(head, unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder())
	case bytes.IndexByte(firstLine(start), 0) >= 0:
		return s, refuseFile(1, "there are NUL bytes in the first line, so this is no text, or UTF-16 without its mark; save it as 'CSV UTF-8'")
	}
	s.text = bufio.NewReaderSize(text, max(l.Record, 4096))
	return s, nil
}

const crAlone = "end in CR alone, as on old Macs; save it as 'CSV UTF-8'"

func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

// notText knows files of other kinds by their first bytes.
func notText(b []byte) error {
	const cure = "open it and save it as 'CSV UTF-8'"
	for _, kind := range []struct{ magic, message string }{
		{"PK\x03\x04", "this is a zip archive or an Excel workbook (.xlsx), whatever its name says; " + cure},
		{"PK\x05\x06", "this is an empty zip archive; give the CSV file itself"},
		{"\x1f\x8b", "this is a gzip archive; unpack it and give the CSV file itself"},
		{"\xd0\xcf\x11\xe0", "this is an old Excel workbook (.xls), whatever its name says; " + cure},
		{"%PDF", "this is a PDF; export the table as 'CSV UTF-8'"},
		{"\xff\xfe\x00\x00", "this is UTF-32; save it as 'CSV UTF-8'"},
		{"\x00\x00\xfe\xff", "this is UTF-32; save it as 'CSV UTF-8'"},
		{"{", "this is JSON, not CSV; export the table as 'CSV UTF-8'"},
		{"<", "this is HTML or XML, not CSV; " + cure},
	} {
		if bytes.HasPrefix(b, []byte(kind.magic)) {
			return refuseFile(0, "%s", kind.message)
		}
	}
	return nil
}

// next hands out the next line; io.EOF after the last. Its text is valid until the
// next call.
func (s *source) next() (line, error) {
	if len(s.ahead) > 0 {
		l := s.ahead[0]
		s.ahead = s.ahead[1:]
		return l, nil
	}
	b, err := s.text.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull && s.line == 0 && bytes.IndexByte(b, '\r') >= 0:
		return line{}, refuseFile(1, "the lines %s", crAlone)
	case err == bufio.ErrBufferFull || len(b) > s.limits.Record:
		return line{}, refuseFile(s.line+1, "the line is longer than %s; this is another kind of file, or a quote in it never closes", bytesText(int64(s.limits.Record)))
	case err == io.EOF && len(b) > 0:
		s.open = true
	case err != nil:
		return line{}, err
	}
	s.line++
	l := line{b, s.line, s.offset}
	s.offset += int64(len(b))
	if s.open {
		l.text = append(bytes.TrimSuffix(b, []byte("\r")), '\n') // the buffer behind b is not read again
	} else if n := len(b); n >= 2 && b[n-2] == '\r' {
		s.crlf++
		b[n-2] = '\n'
		l.text = b[:n-1]
	} else {
		s.lf++
	}
	return l, nil
}

// back takes lines back that next handed out; it hands them out again.
func (s *source) back(lines []line) { s.ahead = append(lines, s.ahead...) }

// id is the SHA-256 of the file's bytes. It is known after io.EOF.
func (s *source) id() string { return hex.EncodeToString(s.raw.hash.Sum(nil)) }

func (s *source) newline() string {
	switch {
	case s.crlf > 0 && s.lf > 0:
		return "mixed"
	case s.crlf > 0:
		return "CRLF"
	case s.lf > 0:
		return "LF"
	}
	return "none"
}

// badByte is the place in line of the first byte that is not UTF-8, or -1.
func badByte(line []byte) int {
	if utf8.Valid(line) {
		return -1
	}
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func asRefusal(err error) (*fileRefusal, bool) {
	var r *fileRefusal
	ok := errors.As(err, &r)
	return r, ok
}
