enum ApplianceStub {}
