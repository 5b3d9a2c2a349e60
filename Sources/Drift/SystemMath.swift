// The logarithm and the exponential of the system's C library; nothing else of it is used.
#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The natural logarithm.
func naturalLogarithm(_ x: Double) -> Double { log(x) }

/// Two to the power of `x`.
func powerOfTwo(_ x: Double) -> Double { exp2(x) }

/// The angle between −π/2 and π/2 with this sine.
func arcsine(_ x: Double) -> Double { asin(x) }

/// e to the power of `x`.
func exponential(_ x: Double) -> Double { exp(x) }
