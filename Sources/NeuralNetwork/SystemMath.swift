// The logarithm and the exponential of the system's C library; nothing else of it is used.
#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Functions of the system's C library.
enum SystemMath {
    /// e to the power of `x`.
    static func exp(_ x: Double) -> Double {
        #if canImport(Glibc)
            Glibc.exp(x)
        #else
            Musl.exp(x)
        #endif
    }

    /// The natural logarithm.
    static func log(_ x: Double) -> Double {
        #if canImport(Glibc)
            Glibc.log(x)
        #else
            Musl.log(x)
        #endif
    }
}
