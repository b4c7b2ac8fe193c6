//! Turns `proto/` into Rust, without a `protoc` on the machine.

const PROTOCOLS: [&str; 5] = [
    "tfplugin5.proto",
    "health.proto",
    "go-plugin/broker.proto",
    "go-plugin/controller.proto",
    "go-plugin/stdio.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOCOLS, ["proto"])?;
    tonic_prost_build::configure()
        // The client is for tests; what is not called does not reach the binary.
        .build_client(true)
        .build_transport(false)
        // Values are passed on without copying them.
        .bytes(".tfplugin5.DynamicValue")
        .bytes(".tfplugin5.RawState.json")
        // The same schema gives the same bytes.
        .btree_map(".tfplugin5")
        .compile_fds(descriptors)?;
    Ok(())
}
