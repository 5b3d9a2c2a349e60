package import HTTPTransport
internal import TestSupport

extension ListenerSettings {
    /// A listener for tests: its time limits are those of a machine that is busy with other tests.
    package static func patient(_ name: String, _ routes: RouteTable) -> ListenerSettings {
        ListenerSettings(name: name, limits: .patient, routes: routes)
    }
}
