import Appliance
import ArgumentParser
import Tools

/// `leeway status`: what a running appliance says of itself.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows versions, retrains and drift of a running appliance."
    )

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Print the appliance's own JSON.")
    var json = false

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
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
