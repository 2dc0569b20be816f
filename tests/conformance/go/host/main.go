// A go-plugin host: starts a worker, does what its arguments say, and prints as JSON what it saw.
//
//	host [-mtls] [-versions 1,2] [-dir FOLDER] -command "python -m aiges.serve" STEP...
//	host -reattach unix:ADDRESS -pid PID STEP...
//
// A step is ping, kill, hold, leave (close the connection, and nothing else), once=TEXT, big=MIB,
// await=TEXT (until stdout or log has it), or METHOD=JSON.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"conformance/wire"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

const limit = 30 * time.Second

type step struct {
	Step    string  `json:"step"`
	Reply   string  `json:"reply"`
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"`
}

type report struct {
	Started bool     `json:"started"`
	Error   string   `json:"error"`
	Version int      `json:"version"`
	Pid     int      `json:"pid"`
	Network string   `json:"network"`
	Address string   `json:"address"`
	Steps   []step   `json:"steps"`
	Exited  bool     `json:"exited"`
	Stdout  string   `json:"stdout"`
	Log     []string `json:"log"`
}

// buffer may be written and read at once.
type buffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (b *buffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(data)
}

func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}

// worker is the plugin as go-plugin knows it; dispensed, it is the connection.
type worker struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (worker) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

func (worker) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

type host struct {
	client  *goplugin.Client
	proto   goplugin.ClientProtocol
	conn    *grpc.ClientConn
	service *wire.Service
	next    func() (string, error)
	stdout  *buffer
	log     *buffer
	calls   int
}

func main() {
	mtls := flag.Bool("mtls", false, "AutoMTLS")
	versions := flag.String("versions", "1", "application protocol versions, with commas")
	dir := flag.String("dir", ".", "working directory of the worker")
	command := flag.String("command", "", "the worker, split at blanks")
	reattach := flag.String("reattach", "", "network:address of a worker that runs")
	pid := flag.Int("pid", 0, "of that worker")
	flag.Parse()

	stdout, log := &buffer{}, &buffer{}
	sets := map[int]goplugin.PluginSet{}
	for _, text := range strings.Split(*versions, ",") {
		version, err := strconv.Atoi(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		sets[version] = goplugin.PluginSet{"aiges": worker{}}
	}
	config := &goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: sets,
		AutoMTLS:         *mtls,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		StartTimeout:     limit,
		SyncStdout:       stdout,
		SyncStderr:       stdout,
		Logger: hclog.New(&hclog.LoggerOptions{
			Name: "host", Output: log, Level: hclog.Trace, JSONFormat: true,
		}),
	}
	if network, address, found := strings.Cut(*reattach, ":"); found {
		config.Plugins = goplugin.PluginSet{"aiges": worker{}} // no version is agreed upon
		config.Reattach = &goplugin.ReattachConfig{
			Protocol: goplugin.ProtocolGRPC,
			Addr:     &net.UnixAddr{Net: network, Name: address},
			Pid:      *pid,
		}
	} else {
		words := strings.Fields(*command)
		config.Cmd = exec.Command(words[0], words[1:]...)
		config.Cmd.Dir = *dir
	}
	client := goplugin.NewClient(config)
	defer client.Kill()

	h := &host{client: client, stdout: stdout, log: log}
	seen := &report{}
	if err := h.start(seen); err != nil {
		seen.Error = err.Error()
	} else {
		seen.Started = true
		for _, name := range flag.Args() {
			began := time.Now()
			reply, err := h.do(name, seen)
			done := step{Step: name, Reply: reply, Seconds: time.Since(began).Seconds()}
			if err != nil {
				done.Error = err.Error()
			}
			seen.Steps = append(seen.Steps, done)
		}
	}
	client.Kill()
	seen.Exited = client.Exited()
	seen.Stdout = stdout.String()
	seen.Log = strings.Split(strings.TrimSpace(log.String()), "\n")
	print(seen)
}

func (h *host) start(seen *report) error {
	address, err := h.client.Start()
	if err != nil {
		return err
	}
	seen.Network, seen.Address = address.Network(), address.String()
	seen.Version = h.client.NegotiatedVersion()
	seen.Pid = h.client.ReattachConfig().Pid
	if h.proto, err = h.client.Client(); err != nil {
		return err
	}
	raw, err := h.proto.Dispense("aiges")
	if err != nil {
		return err
	}
	h.conn = raw.(*grpc.ClientConn)
	if h.service, err = wire.Load(); err != nil {
		return err
	}
	h.next, err = h.service.Communicate(context.Background(), h.conn)
	return err
}

func (h *host) do(name string, seen *report) (string, error) {
	verb, argument, _ := strings.Cut(name, "=")
	switch verb {
	case "ping":
		return "", h.proto.Ping()
	case "kill":
		h.client.Kill()
		return "", nil
	case "leave":
		return "", h.conn.Close()
	case "hold":
		print(seen)
		select {}
	case "await":
		return "", h.await(argument)
	case "once":
		return h.once([]byte(argument))
	case "stuck":
		return "", h.stuck(argument)
	case "big":
		mib, err := strconv.Atoi(argument)
		if err != nil {
			return "", err
		}
		data, err := h.once(bytes.Repeat([]byte("x"), mib<<20))
		return strconv.Itoa(len(data)), err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return h.service.Call(ctx, h.conn, verb, argument)
}

// once sends one call and returns the data of the answer that comes on communicate.
func (h *host) once(data []byte) (string, error) {
	h.calls++
	tag := fmt.Sprintf("tag-%d", h.calls)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := h.service.Call(ctx, h.conn, "wrapperOnceExec", request(tag, data)); err != nil {
		return "", err
	}
	text, err := h.next()
	if err != nil {
		return "", err
	}
	var answer struct {
		Tag  string
		Ret  int
		List []struct{ Data []byte }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return "", err
	}
	if answer.Tag != tag || answer.Ret != 0 || len(answer.List) != 1 {
		return "", fmt.Errorf("unexpected answer: %.200s", text)
	}
	return string(answer.List[0].Data), nil
}

// stuck sends a call, which shall never be answered, and returns once the worker has logged a line.
func (h *host) stuck(line string) error {
	go h.service.Call(context.Background(), h.conn, "wrapperOnceExec", request("stuck", nil))
	return h.await(line)
}

func (h *host) await(text string) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(h.stdout.String()+h.log.String(), text) {
			return nil
		}
	}
	return fmt.Errorf("%q was not seen within %v", text, limit)
}

func request(tag string, data []byte) string {
	return fmt.Sprintf(
		`{"tag": %q, "params": {"sid": %q}, "list": [{"key": "text", "status": 3, "len": "%d", "data": %q}]}`,
		tag, tag, len(data), base64.StdEncoding.EncodeToString(data),
	)
}

func print(seen *report) {
	text, _ := json.Marshal(seen)
	fmt.Println(string(text))
}
