terraform {
  # Write-only arguments and ephemeral resources keep secret values out of plan and state: 1.11 is the first release with both.
  required_version = ">= 1.11.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }

    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
}
