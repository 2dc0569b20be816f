// Package wire speaks aiges.WrapperService from the descriptors of its .proto: messages are JSON
// text on this side and protobuf on the wire, so there is no generated code.
package wire

import (
	"context"
	"fmt"
	"os"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const serviceName = "aiges.WrapperService"

// Handshake is what host and plugin must agree on before anything else.
var Handshake = goplugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "BASIC_PLUGIN",
	MagicCookieValue: "hello",
}

// Service describes aiges.WrapperService.
type Service struct {
	descriptor protoreflect.ServiceDescriptor
}

// Load reads the descriptor set whose path is in CONFORMANCE_DESCRIPTORS.
func Load() (*Service, error) {
	data, err := os.ReadFile(os.Getenv("CONFORMANCE_DESCRIPTORS"))
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	found, err := files.FindDescriptorByName(serviceName)
	if err != nil {
		return nil, err
	}
	return &Service{found.(protoreflect.ServiceDescriptor)}, nil
}

// Call runs a unary method; request and reply are JSON.
func (s *Service) Call(ctx context.Context, conn *grpc.ClientConn, method, request string) (string, error) {
	descriptor := s.descriptor.Methods().ByName(protoreflect.Name(method))
	if descriptor == nil {
		return "", fmt.Errorf("no method %q", method)
	}
	in := dynamicpb.NewMessage(descriptor.Input())
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		return "", err
	}
	out := dynamicpb.NewMessage(descriptor.Output())
	if err := conn.Invoke(ctx, fullName(method), in, out); err != nil {
		return "", err
	}
	return asJSON(out)
}

// Communicate opens the stream of results and returns a function that waits for the next one.
func (s *Service) Communicate(ctx context.Context, conn *grpc.ClientConn) (func() (string, error), error) {
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := conn.NewStream(ctx, both, fullName("communicate"))
	if err != nil {
		return nil, err
	}
	result := s.descriptor.Methods().ByName("communicate").Output()
	return func() (string, error) {
		message := dynamicpb.NewMessage(result)
		if err := stream.RecvMsg(message); err != nil {
			return "", err
		}
		return asJSON(message)
	}, nil
}

// Register serves the unary methods by answer, and communicate by results; both speak JSON.
func (s *Service) Register(
	server *grpc.Server,
	answer func(method, request string) (string, error),
	results <-chan string,
) {
	description := &grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil)}
	methods := s.descriptor.Methods()
	for i := range methods.Len() {
		method := methods.Get(i)
		if !method.IsStreamingServer() {
			description.Methods = append(description.Methods, unary(method, answer))
		}
	}
	result := methods.ByName("communicate").Output()
	description.Streams = []grpc.StreamDesc{{
		StreamName:    "communicate",
		ServerStreams: true,
		ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				select {
				case <-stream.Context().Done():
					return nil
				case text := <-results:
					message := dynamicpb.NewMessage(result)
					if err := protojson.Unmarshal([]byte(text), message); err != nil {
						return err
					}
					if err := stream.SendMsg(message); err != nil {
						return err
					}
				}
			}
		},
	}}
	server.RegisterService(description, struct{}{})
}

func unary(method protoreflect.MethodDescriptor, answer func(method, request string) (string, error)) grpc.MethodDesc {
	name := string(method.Name())
	handle := func(_ context.Context, in any) (any, error) {
		request, err := asJSON(in.(proto.Message))
		if err != nil {
			return nil, err
		}
		reply, err := answer(name, request)
		if err != nil {
			return nil, err
		}
		out := dynamicpb.NewMessage(method.Output())
		return out, protojson.Unmarshal([]byte(reply), out)
	}
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(server any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := dynamicpb.NewMessage(method.Input())
			if err := decode(in); err != nil {
				return nil, err
			}
			if intercept == nil {
				return handle(ctx, in)
			}
			info := &grpc.UnaryServerInfo{Server: server, FullMethod: fullName(name)}
			return intercept(ctx, in, info, handle)
		},
	}
}

func fullName(method string) string { return "/" + serviceName + "/" + method }

func asJSON(message proto.Message) (string, error) {
	text, err := protojson.Marshal(message)
	return string(text), err
}
