import Appliance
import ArgumentParser
import Tools

/// `leeway bench transport`: a listener that answers a constant.
struct BenchTransport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transport",
        abstract: "Serves a constant, so that a load generator measures TLS and HTTP alone.",
        discussion: "Says on standard error where it listens, and runs until it is ended."
    )

    @Option(help: "host:port to listen on; port 0 lets the system choose.")
    var listen = "127.0.0.1:0"
    @Option(help: "Certificate chain in PEM; plain text when it is not given.")
    var certificate: String?
    @Option(help: "Private key in PEM of the certificate.")
    var key: String?
    @Option(help: "Event loops.")
    var loops = 1
    @Flag(help: "Write a line for each request to standard error.")
    var accessLog = false

    func validate() throws {
        guard (1...256).contains(loops) else {
            throw ValidationError("--loops: expected 1…256, found \(loops)")
        }
        guard ListenAddress(listen) != nil else {
            throw ValidationError("--listen: expected HOST:PORT, found \(listen)")
        }
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--certificate and --key: expected both or none")
        }
    }

    func run() async throws {
        guard let address = ListenAddress(listen) else { return }
        do {
            let bench = TransportBench(
                host: address.host,
                port: address.port,
                certificate: certificate.flatMap { chain in key.map { (chain, $0) } },
                eventLoops: loops,
                hasAccessLog: accessLog
            )
            try await bench.run { StandardError.write("listening on \($0)\n") }
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
