/// One attempt at one mirror, ready to run.
struct AttemptPlan: Sendable {
    let request: DownloadRequest
    let url: TransferURL
    let settings: DownloadSettings

    /// What is fetched beyond the URL.
    var access: SourceAccess { request.access[url.text] ?? SourceAccess() }

    /// Which addresses it may lead to; nil for a file.
    var addressRule: AddressRule? {
        url.host.map { host in
            AddressRule(
                host: host,
                address: IPAddress(host),
                allowsPrivate: access.allowsPrivate,
                proxyPorts: settings.proxyPorts
            )
        }
    }

    var bytesMax: Int {
        let asked = min(request.bytesMax ?? .max, request.expected?.bytes ?? .max)
        return max(1, min(asked, settings.limits.bytesMax))
    }
}
