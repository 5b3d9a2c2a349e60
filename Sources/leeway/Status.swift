import Appliance
import ArgumentParser
import Tools

/// `leeway status`: what a running appliance says of itself.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows traffic, versions, retrains and drift of a running appliance."
    )

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Print the appliance's own JSON.")
    var json = false
    @Option(help: "Show it again every so many seconds until it is interrupted.")
    var watch: Int?

    func validate() throws {
        if let watch, !(1...3600).contains(watch) {
            throw ValidationError("--watch: expected 1…3600 seconds, found \(watch)")
        }
        if json, watch != nil { throw ValidationError("--json and --watch: expected one of them") }
    }

    func run() async throws {
        let settings = try options.settings()
        do {
            let access = try settings.operationsAccess()
            let view = StatusView(
                url: access.url,
                authorities: access.authorities,
                allowsPlaintext: access.isPlaintext,
                token: access.token
            )
            print(try view.run(json: json))
            while let watch {
                try await Task.sleep(for: .seconds(watch))
                // An appliance that is away for a moment does not end the view.
                let text = (try? view.run(json: false)) ?? "leeway: no answer"
                print(StatusView.clearScreen + text)
            }
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
