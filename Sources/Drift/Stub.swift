enum DriftStub {}
