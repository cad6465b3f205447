"""The workshop: conversion, export, quantization, training and evaluation of the models."""
