# The image of the program, which is also the demo application of the examples.
# It needs a static binary. A release builds it; to build it here:
#
#   rustup target add x86_64-unknown-linux-musl
#   cargo build --release --locked --target x86_64-unknown-linux-musl
#   docker build --build-arg BINARY=target/x86_64-unknown-linux-musl/release/kubectl-chaos -t kubectl-chaos .
FROM scratch
ARG BINARY=kubectl-chaos
COPY --chmod=0755 ${BINARY} /kubectl-chaos
USER 65532:65532
ENTRYPOINT ["/kubectl-chaos"]
