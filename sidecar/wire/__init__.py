"""The only home of gRPC and generated protobuf code."""
