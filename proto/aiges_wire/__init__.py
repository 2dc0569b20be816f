"""What the supervisor and a worker agree on: the handshake, the codes, the protobuf contract."""
