import Appliance
import ArgumentParser

/// `leeway keys`: keys of API callers.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes keys for those who may ask.",
        subcommands: [Make.self]
    )

    /// A new key on standard output, and the line for the access file below it.
    struct Make: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a key, and the line of it for access.file.",
            discussion: """
                The first line is the key: hand it to the caller, who sends it as \
                "Authorization: Bearer KEY" or "X-API-Key: KEY". It is kept nowhere. The second \
                line goes into the access file; it has the key's SHA-256 alone. A running server \
                takes the file up at SIGHUP.
                """
        )
        @Argument(help: "The caller's name: letters, digits, - and _.") var name: String
        @Option(help: "predict, feedback, operate, parted by commas.") var scopes = "predict"
        @Option(help: "Requests a second in the long run; any number without.") var rate: Double?
        @Option(help: "Requests that may come at once; as many as the rate without.")
        var burst: Double?

        func run() async throws {
            do {
                let made = try KeysJob.make(name: name, scopes: scopes, rate: rate, burst: burst)
                print(made.key)
                print(made.line)
            } catch {
                throw Exit.usage("\(error)")
            }
        }
    }
}
