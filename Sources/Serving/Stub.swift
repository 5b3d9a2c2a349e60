enum ServingStub {}
