// Package openfeature is package featureflag's provider for OpenFeature's Go SDK.
package openfeature
