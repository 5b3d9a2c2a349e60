enum TLSTransportStub {}
