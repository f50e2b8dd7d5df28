"""Pictures and checks of losses and of fitted estimators."""
