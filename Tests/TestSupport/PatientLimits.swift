package import HTTPTransport
package import TLSTransport

extension TransportLimits {
    /// Limits for tests: their times are those of a machine that is busy with other tests.
    package static var patient: TransportLimits {
        var limits = TransportLimits()
        limits.headerSeconds = 600
        limits.bodyIdleSeconds = 600
        limits.bodySeconds = 600
        limits.idleSeconds = 600
        limits.sendSeconds = 600
        limits.queueSecondsMax = 600
        return limits
    }
}

extension TLSLimits {
    /// Limits for tests: a handshake has the time of a machine that is busy with other tests.
    package static var patient: TLSLimits {
        var limits = TLSLimits()
        limits.handshakeSecondsMax = 600
        return limits
    }
}
