enum ModelStoreStub {}
