-- Beside the database `mlflow`, which the image creates: that of names and permissions.
CREATE DATABASE mlflow_auth;
