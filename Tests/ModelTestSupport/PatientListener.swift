package import HTTPTransport

extension ListenerSettings {
    /// A listener for tests: its time limits are those of a machine that is busy with other tests.
    package static func patient(_ name: String, _ routes: RouteTable) -> ListenerSettings {
        var limits = TransportLimits()
        limits.headerSeconds = 600
        limits.bodyIdleSeconds = 600
        limits.bodySeconds = 600
        limits.idleSeconds = 600
        limits.sendSeconds = 600
        return ListenerSettings(name: name, limits: limits, routes: routes)
    }
}
