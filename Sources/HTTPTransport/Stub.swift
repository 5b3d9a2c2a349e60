enum HTTPTransportStub {}
