output "id" {
  description = "Id of the budget: account and name."
  value       = aws_budgets_budget.this.id
}
