/// What one listener is: its name, its limits and its routes.
package struct ListenerSettings: Sendable {
    /// The value of the label `listener` and the word for it in logs, such as `api`.
    package var name: String
    /// The bounds of what a client may ask.
    package var limits: TransportLimits
    /// The labels of the routes.
    package var routes: RouteTable

    /// Makes the settings.
    package init(name: String, limits: TransportLimits = TransportLimits(), routes: RouteTable) {
        self.name = name
        self.limits = limits
        self.routes = routes
    }
}
