"""A processed dataset to a fitted estimator: class weights, fitting, hyperparameter search."""
