package ledgertest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver "postgres"

	"refunds/reconcile/ledger"
)

// An Option is how the throw-away PostgreSQL runs.
type Option int

// Fsync makes every commit wait for the disk, as a real ledger's does. Without it a
// commit survives the program but not the machine, which is all that most tests need.
const Fsync Option = 1

// Postgres gives the URL of a fresh, empty database of a PostgreSQL that this test
// process started, the first time that it is asked, and that ends with the process
// however that ends. The database is dropped when the test is over. Where
// PostgreSQL is missing, the test fails: it is never skipped.
func Postgres(t testing.TB, options ...Option) string {
	t.Helper()
	fsync := false
	for _, o := range options {
		fsync = fsync || o == Fsync
	}
	s, err := started(fsync)
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

// A server is one PostgreSQL, in a folder of its own, reached by a socket in it.
type server struct {
	dir   string
	alive *os.File // it ends when this, our end of a pipe, is closed
	guard *exec.Cmd
	mu    sync.Mutex
	n     int // databases made
}

var servers struct {
	sync.Mutex
	by   map[bool]*server // by fsync
	fail error
}

func started(fsync bool) (*server, error) {
	servers.Lock()
	defer servers.Unlock()
	if servers.fail != nil { // for the second test no other words than for the first
		return nil, servers.fail
	}
	if s := servers.by[fsync]; s != nil {
		return s, nil
	}
	s, err := startServer(fsync)
	if err != nil {
		servers.fail = fmt.Errorf("start a throw-away PostgreSQL: %w", err)
		return nil, servers.fail
	}
	if servers.by == nil {
		servers.by = map[bool]*server{}
	}
	servers.by[fsync] = s
	return s, nil
}

// Stoppable gives the URL of a fresh, migrated ledger in a PostgreSQL of the test's own, and
// how to stop it as pg_ctl stop -m immediate does, and to start it again. Both wait until it has.
func Stoppable(t testing.TB) (url string, stop, start func()) {
	t.Helper()
	s, err := startServer(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.alive.Close(); err != nil {
			t.Error(err)
		}
		_ = s.guard.Wait() // its exit code is that of removing the folder
	})
	name, err := s.create()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ledger.Migrate(t.Context(), s.url(name)); err != nil {
		t.Fatal(err)
	}
	tell := func(word string, done func() bool) {
		t.Helper()
		if _, err := s.alive.WriteString(word + "\n"); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("PostgreSQL did not %s", word)
			}
		}
	}
	return s.url(name),
		func() { tell("stop", func() bool { return s.admin("SELECT 1") != nil }) },
		func() { tell("start", func() bool { return s.admin("SELECT 1") == nil }) }
}

// guard runs PostgreSQL until its standard input ends, which it does when this process
// does, be it by kill -9. Then it stops the server and removes the folder. Meanwhile it
// stops and starts the server as the lines of its input say.
const guard = `run() {
	"$1" -D "$2/data" -k "$2" -c listen_addresses= -c fsync="$3" -c full_page_writes="$3" -c synchronous_commit=on \
		-c max_connections=200 -c shared_buffers=32MB -c logging_collector=off >>"$2/log" 2>&1 </dev/null &
}
run "$@"
while read -r word; do
	case $word in
	stop) kill -QUIT $!; wait $! ;;
	start) run "$@" ;;
	esac
done
kill -QUIT $!
wait $!
cd / && rm -rf "$2"`

func startServer(fsync bool) (*server, error) {
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	as, err := otherThanRoot()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "refunds-pg-")
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true} // Ctrl-C is for the test, not for its server
		return c
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, err
		}
	}
	if out, err := command(initdb, "-D", filepath.Join(dir, "data"), "-U", "refunds", "--auth=trust", "--locale=C",
		"--encoding=UTF8", "--no-sync", "--no-instructions").CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out)), os.RemoveAll(dir))
	}
	sync := "off"
	if fsync {
		sync = "on"
	}
	c := command("/bin/sh", "-c", guard, "sh", filepath.Join(filepath.Dir(initdb), "postgres"), dir, sync)
	c.Stdin = r
	if err := c.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &server{dir: dir, alive: w, guard: c}
	if err := s.wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, errors.Join(fmt.Errorf("%w: %s", err, bytes.TrimSpace(log)), w.Close(), c.Wait())
	}
	return s, nil
}

func (s *server) wait() (err error) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = s.admin("SELECT 1"); err == nil {
			return nil
		}
	}
	return err
}

func (s *server) url(database string) string {
	return "postgres://refunds@/" + database + "?" + url.Values{"host": {s.dir}, "sslmode": {"disable"}}.Encode()
}

func (s *server) admin(query string) error {
	db, err := sql.Open("postgres", s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}

func (s *server) create() (name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	name = "test" + strconv.Itoa(s.n)
	return name, s.admin("CREATE DATABASE " + name + " TEMPLATE template0")
}

// find looks where Debian puts what is not in PATH; the newest version wins.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.EvalSymlinks(path)
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil {
		return "", err
	}
	best, version := "", -1
	for _, path := range found {
		v, err := strconv.Atoi(strings.Split(path, "/")[4])
		if err == nil && v > version {
			best, version = path, v
		}
	}
	if best == "" {
		return "", fmt.Errorf("%s is not installed, and these tests need a PostgreSQL of their own; on Debian or Ubuntu: apt-get install postgresql", program)
	}
	return best, nil
}

// otherThanRoot is whom PostgreSQL runs as, since it refuses to run as root; nil: as we do.
func otherThanRoot() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as; add one: useradd --system postgres")
}
