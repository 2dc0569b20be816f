// A go-plugin plugin that serves aiges.WrapperService: an echo, and awful in the ways that the
// words in AWFUL ask for.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"conformance/wire"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

type plugin struct {
	goplugin.NetRPCUnsupportedPlugin
	service *wire.Service
	results chan string
}

func (p *plugin) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	p.service.Register(server, p.answer, p.results)
	return nil
}

func (p *plugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("this is no host")
}

func (p *plugin) answer(method, request string) (string, error) {
	switch method {
	case "wrapperSchema":
		schema, err := json.Marshal(map[string]string{"data": `{"meta": {"serviceId": "go"}}`})
		return string(schema), err
	case "wrapperOnceExec":
		return "{}", p.once(request)
	}
	return "{}", nil
}

func (p *plugin) once(text string) error {
	var request struct {
		Tag  string           `json:"tag"`
		List []map[string]any `json:"list"`
	}
	if err := json.Unmarshal([]byte(text), &request); err != nil {
		return err
	}
	switch {
	case awful("panics"):
		panic("awful on request")
	case awful("prints-much"): // to the stdio stream, and to the pipe of the handshake
		line := strings.Repeat("y", 1023) + "\n"
		for range 10 << 10 {
			fmt.Fprint(os.Stdout, line)
			fmt.Fprint(os.Stderr, line)
			syscall.Write(1, []byte(line))
		}
	case awful("never-answers"):
		select {}
	}
	for _, item := range request.List {
		delete(item, "type")
	}
	answer, err := json.Marshal(request)
	p.results <- string(answer)
	return err
}

func awful(word string) bool {
	for _, asked := range strings.Fields(os.Getenv("AWFUL")) {
		if asked == word {
			return true
		}
	}
	return false
}

func muteShutdown(ctx context.Context, in any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if strings.HasSuffix(info.FullMethod, "/Shutdown") {
		select {}
	}
	return handle(ctx, in)
}

func main() {
	switch {
	case awful("exits-early"):
		fmt.Fprintln(os.Stderr, "no licence for this machine")
		os.Exit(3)
	case awful("prints-noise"):
		fmt.Println("Loading the model...")
	case awful("floods-stderr"):
		os.Stderr.Write(bytes.Repeat([]byte(strings.Repeat("z", 99)+"\n"), 40_000))
	case awful("never-starts"):
		time.Sleep(time.Hour)
	}
	service, err := wire.Load()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	served := &plugin{service: service, results: make(chan string, 64)}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         goplugin.PluginSet{"aiges": served},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			if awful("mutes-shutdown") {
				options = append(options, grpc.UnaryInterceptor(muteShutdown))
			}
			if awful("takes-much") {
				options = append(options, grpc.MaxRecvMsgSize(64<<20))
			}
			return grpc.NewServer(options...)
		},
	})
}
